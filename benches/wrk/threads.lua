-- Gives each thread its number, from 0, and how many there are.

local threads = 0

function setup(thread)
    thread:set("number", threads)
    threads = threads + 1
    thread:set("of", tonumber(os.getenv("WRK_THREADS")))
end
