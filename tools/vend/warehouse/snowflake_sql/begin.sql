begin transaction name {name}
