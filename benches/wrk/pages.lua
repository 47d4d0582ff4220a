-- A page for many browsers in turn: pages.lua once|again PATH FILE, with a Cookie header a line
--
-- Once: each browser asks one time, and that there are enough of them is part of what is measured.

require "result"
require "threads"

function init(arguments)
    once, wrk.path = arguments[1] == "once", arguments[2]
    cookies = {}
    local line_number = 0
    for line in io.lines(arguments[3]) do
        -- Fewer browsers than threads: all threads are the same ones.
        if not once or line_number % of == number then table.insert(cookies, line) end
        line_number = line_number + 1
    end
    -- Threads do not follow each other through the same list.
    turn = once and 0 or math.floor(#cookies * number / of)
end

function request()
    turn = turn + 1
    if turn > #cookies then
        if once then
            io.stderr:write("each browser has asked, and there is time left\n")
            os.exit(1)
        end
        turn = 1
    end
    return wrk.format(nil, nil, { Cookie = cookies[turn] })
end
