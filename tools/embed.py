#!/usr/bin/env python3
"""Writes a C file that holds the text of the given files: embed.py ROOT OUT FILE..."""
import os
import sys

root, out, files = sys.argv[1], sys.argv[2], sys.argv[3:]
with open(out, "w", encoding="ascii") as c:
    c.write('#include "node/driver_tree.h"\n\n')
    for i, name in enumerate(files):
        with open(name, "rb") as f:
            data = f.read()
        c.write("static const unsigned char file_%d[] = {" % i)
        for at in range(0, len(data), 20):
            c.write("\n\t" + "".join("%d," % b for b in data[at:at + 20]))
        c.write("\n};\n")
    c.write("\nconst struct driver_file driver_tree[] = {\n")
    for i, name in enumerate(files):
        c.write('\t{"%s", file_%d, sizeof(file_%d)},\n' % (os.path.relpath(name, root), i, i))
    c.write("\t{0},\n};\n")
