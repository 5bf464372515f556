-- Takes a token of the bucket KEYS[1], which gets one every ARGV[1] microseconds and holds ARGV[2] at most. Answers 0, or in
-- how many microseconds there will be one; then the time by which it was counted, and, with a token, the text under KEYS[2],
-- where that is asked for and there is one. What is kept is the time at which the bucket would be full again.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local room = now + interval * burst
local function keep(full_at)
    redis.call('SET', KEYS[1], string.format('%.0f', full_at), 'PX', math.ceil((full_at - now) / 1000))
end
local full_at = tonumber(redis.call('GET', KEYS[1]) or now) or now
-- A clock that was set back must not keep a bucket empty until it is where it was.
if full_at > room then
    full_at = room
    keep(full_at)
end
local next = math.max(full_at, now) + interval
if next > room then
    return {next - room, now, false}
end
keep(next)
-- Something else than a text under the key is an error, and no reason to answer nothing.
local known = KEYS[2] and redis.pcall('GET', KEYS[2])
return {0, now, type(known) == 'string' and known}
