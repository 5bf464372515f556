-- Takes a token of each of the buckets KEYS[1], KEYS[3] and so on, one after the other. KEYS[n] gets one every ARGV[n]
-- microseconds and holds ARGV[n + 1] at most. Answers for each 0, or in how many microseconds there will be one; then the time
-- by which it was counted, and, with a token, the text under KEYS[n + 1], where that is not empty and there is one. What is kept
-- is the time at which a bucket would be full again.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local function keep(key, full_at)
    redis.call('SET', key, string.format('%.0f', full_at), 'PX', math.ceil((full_at - now) / 1000))
end
local function take(key, look_under, interval, burst)
    local room = now + interval * burst
    local full_at = tonumber(redis.call('GET', key) or now) or now
    -- A clock that was set back must not keep a bucket empty until it is where it was.
    if full_at > room then
        full_at = room
        keep(key, full_at)
    end
    local next = math.max(full_at, now) + interval
    if next > room then
        return {next - room, now, false}
    end
    keep(key, next)
    -- Something else than a text under the key is an error, and no reason to answer nothing.
    local known = look_under ~= '' and redis.pcall('GET', look_under)
    return {0, now, type(known) == 'string' and known}
end
local answers = {}
for n = 1, #KEYS, 2 do
    answers[#answers + 1] = take(KEYS[n], KEYS[n + 1], tonumber(ARGV[n]), tonumber(ARGV[n + 1]))
end
return answers
