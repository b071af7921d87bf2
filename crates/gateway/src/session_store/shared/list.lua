-- A page of a list of sessions.
-- `of_list` of lists.lua comes before it.
return of_list('ZRANGEBYLEX', KEYS[1], ARGV[1], '+', 'LIMIT', 0, ARGV[2])
