#!/usr/bin/env python3
"""Writes a C file that holds a whole file as jailer_image: embed_image.py FILE OUT."""
import os
import sys

path = os.path.abspath(sys.argv[1])
with open(sys.argv[2], "w", encoding="utf-8") as c:
    c.write('#include "jailer/image.h"\n\n')
    c.write("/* As it is, without the detour over text. */\n")
    c.write('__asm__(".section .rodata\\n"\n')
    c.write('\t".global jailer_image, jailer_image_end\\n"\n')
    c.write('\t".balign 16\\n"\n')
    c.write('\t"jailer_image: .incbin \\"%s\\"\\n"\n' % path)
    c.write('\t"jailer_image_end: .byte 0\\n"\n')
    c.write('\t".text\\n");\n')
