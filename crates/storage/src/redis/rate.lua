-- Takes a token of each of the buckets KEYS[1], KEYS[3] and so on, one after the other. Each gets one every ARGV[1] microseconds
-- and holds ARGV[2] at most. Answers the time by which they were counted; then for each bucket 0, or in how many microseconds
-- there will be a token, and, with a token, the text under KEYS[n + 1], where that is not empty and there is one. What is kept is
-- the time at which a bucket would be full again.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local room = now + interval * burst
local answers = {now}
local function keep(key, full_at)
    redis.call('SET', key, full_at, 'PX', math.ceil((full_at - now) / 1000))
end
for n = 1, #KEYS, 2 do
    local key, look_under = KEYS[n], KEYS[n + 1]
    local full_at = tonumber(redis.call('GET', key) or now) or now
    -- A clock that was set back must not keep a bucket empty until it is where it was.
    if full_at > room then
        full_at = room
        keep(key, full_at)
    end
    local next = math.max(full_at, now) + interval
    local wait, known = 0, false
    if next > room then
        wait = next - room
    else
        keep(key, next)
        -- Something else than a text under the key is an error, and no reason to answer nothing.
        known = look_under ~= '' and redis.pcall('GET', look_under)
    end
    answers[n + 1] = wait
    answers[n + 2] = type(known) == 'string' and known
end
return answers
