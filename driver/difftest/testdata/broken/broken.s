// Only here so that the compiler lets functions have no body.
