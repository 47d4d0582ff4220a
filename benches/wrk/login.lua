-- Logs in again and again: login.lua EMAIL PASSWORD [ACCOUNTS]
--
-- With ACCOUNTS, EMAIL has a place for a number (%d) below that, and each log-in is to another account.

require "result"
require "threads"

function init(arguments)
    email, password, accounts = arguments[1], arguments[2], tonumber(arguments[3])
    wrk.method = "POST"
    wrk.path = "/api/auth/login"
    wrk.headers["Content-Type"] = "application/json"
    math.randomseed(number)
end

function request()
    local one = accounts and string.format(email, math.random(0, accounts - 1)) or email
    return wrk.format(nil, nil, nil, string.format('{"email": "%s", "password": "%s"}', one, password))
end
