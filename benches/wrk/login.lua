-- Logs in again and again: login.lua EMAIL PASSWORD

require "result"

function init(arguments)
    wrk.method = "POST"
    wrk.path = "/api/auth/login"
    wrk.headers["Content-Type"] = "application/json"
    wrk.body = string.format('{"email": "%s", "password": "%s"}', arguments[1], arguments[2])
end
