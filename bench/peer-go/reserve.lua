-- Takes one unit for a buyer, or says why not.
-- KEYS[1]  how many units are left
-- KEYS[2]  the buyer's lock: the id of their hold
-- ARGV[1]  the id of the new hold
-- ARGV[2]  how long the hold lasts, in seconds
-- Returns  {1, id} held now; {2, id} held before; {0} nothing is left.
if tonumber(redis.call('GET', KEYS[1]) or 0) <= 0 then
  local held = redis.call('GET', KEYS[2])
  if held then return {2, held} end
  return {0}
end
if not redis.call('SET', KEYS[2], ARGV[1], 'EX', ARGV[2], 'NX') then
  return {2, redis.call('GET', KEYS[2])}
end
redis.call('DECR', KEYS[1])
return {1, ARGV[1]}
