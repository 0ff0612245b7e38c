module skyisland/driver

go 1.26
