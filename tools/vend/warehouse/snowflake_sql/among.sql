and left({key}, {length}) in (select value::varchar from table(flatten(input => parse_json(:prefixes))))
