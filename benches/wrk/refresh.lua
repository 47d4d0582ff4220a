-- Each session's refresh token for its next one, again and again: refresh.lua FILE, with a token a line
--
-- A token is in use by one connection at a time; there must be some more than connections, since wrk composes one
-- request that it never sends.

require "result"
require "threads"

function init(arguments)
    wrk.method = "POST"
    wrk.path = "/api/auth/refresh"
    wrk.headers["Content-Type"] = "application/json"
    tokens = {}
    local line_number = 0
    for line in io.lines(arguments[1]) do
        if line_number % of == number then table.insert(tokens, line) end
        line_number = line_number + 1
    end
end

function request()
    local token = table.remove(tokens, 1) or "there was none left"
    return wrk.format(nil, nil, nil, string.format('{"refresh_token": "%s"}', token))
end

function response(status, headers, body)
    local token = string.match(body, '"refresh_token":"([^"]+)"')
    if token then table.insert(tokens, token) end
end
