module skyisland

go 1.21
