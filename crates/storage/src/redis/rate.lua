-- Takes a token of each of the buckets KEYS, one after the other. KEYS[n] gets one every ARGV[2n-1] microseconds and holds
-- ARGV[2n] at most. Answers for each 0, or in how many microseconds there will be one. What is kept is the time at which a
-- bucket would be full again.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local function keep(key, full_at)
    redis.call('SET', key, string.format('%.0f', full_at), 'PX', math.ceil((full_at - now) / 1000))
end
local answers = {}
for place, key in ipairs(KEYS) do
    local interval, burst = tonumber(ARGV[2 * place - 1]), tonumber(ARGV[2 * place])
    local room = now + interval * burst
    local full_at = tonumber(redis.call('GET', key) or now) or now
    -- A clock that was set back must not keep a bucket empty until it is where it was.
    if full_at > room then
        full_at = room
        keep(key, full_at)
    end
    local next = math.max(full_at, now) + interval
    if next > room then
        answers[place] = next - room
    else
        keep(key, next)
        answers[place] = 0
    end
end
return answers
