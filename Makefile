# For those who type make; BSD's and GNU's. Everything is done by ./dev, which calls meson.

PREFIX ?= /usr/local
DESTDIR ?=

all:
	./dev build

test:
	./dev test

install:
	PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' ./dev install

uninstall:
	PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' ./dev uninstall

.PHONY: all test install uninstall
