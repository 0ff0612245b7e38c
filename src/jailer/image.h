#pragma once

/* image: the jailer's program (jailer/main.c) as an ELF file, which the build puts into the main
 * program. */

extern const unsigned char jailer_image[], jailer_image_end[];
