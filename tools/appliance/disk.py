"""A disk that starts by itself: a partition table, GRUB for a BIOS and for UEFI, and a root file system. It is a file all the time:
no loop device, no mount."""

import os
import struct
import subprocess

SECTOR = 512
MIB = 1 << 20
BIOS = (1 * MIB, 1 * MIB)  # where GRUB's own program lies for a BIOS: begin, size
ESP = (2 * MIB, 32 * MIB)
ROOT_BEGIN = 34 * MIB
LABEL = "sky-island"
CONFIG = """search --no-floppy --label --set=root sky-island
set prefix=($root)/boot/grub
configfile /boot/grub/grub.cfg
"""
MODULES = ["part_gpt", "ext2", "search", "search_label", "normal", "configfile", "linux", "serial", "terminal", "echo", "test", "boot"]


def run(*command, **options):
    subprocess.run(command, check=True, stdin=options.pop("stdin", subprocess.DEVNULL), **options)


def partition(path, size):
    """Empty; the root partition is the last, so that it can grow."""
    with open(path, "wb") as disk:
        disk.truncate(size)
    table = "label: gpt\nstart=%d, size=%d, type=21686148-6449-6E6F-744E-656564454649\n" % tuple(n // SECTOR for n in BIOS)
    table += "start=%d, size=%d, type=uefi\n" % tuple(n // SECTOR for n in ESP)
    table += "start=%d, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, name=root\n" % (ROOT_BEGIN // SECTOR)
    subprocess.run(["sfdisk", "--quiet", path], input=table, text=True, check=True)


def image(work, form, name, *modules):
    """One of GRUB's programs, which finds the rest by the file system's label."""
    config = os.path.join(work, "grub-early.cfg")
    with open(config, "w", encoding="utf-8") as file:
        file.write(CONFIG)
    path = os.path.join(work, name)
    run("grub-mkimage", "-O", form, "-o", path, "-c", config, "-p", "/boot/grub", *MODULES, *modules)
    return path


def start_by_bios(path, work):
    """The first sector knows where the second program is, and that one where the rest of it is; as grub-setup writes it."""
    with open("/usr/lib/grub/i386-pc/boot.img", "rb") as file:
        boot = bytearray(file.read())
    with open(image(work, "i386-pc", "core.img", "biosdisk"), "rb") as file:
        core = bytearray(file.read())
    if len(core) > BIOS[1]:
        raise SystemExit("GRUB's program is larger than its partition")
    begin = BIOS[0] // SECTOR
    struct.pack_into("<Q", boot, 0x5C, begin)
    struct.pack_into("<H", boot, 0x66, 0x9090)  # a BIOS may give a wrong number of the drive
    struct.pack_into("<Q", core, SECTOR - 12, begin + 1)
    with open(path, "r+b") as disk:
        old = disk.read(SECTOR)
        disk.seek(0)
        disk.write(boot[:440] + old[440:])  # behind it is the partition table's own
        disk.seek(BIOS[0])
        disk.write(core)


def start_by_uefi(path, work):
    program = image(work, "x86_64-efi", "bootx64.efi", "efi_gop", "efi_uga")
    esp = os.path.join(work, "esp")
    with open(esp, "wb") as file:
        file.truncate(ESP[1])
    run("mformat", "-i", esp, "-v", "ESP", "::")
    run("mmd", "-i", esp, "::/EFI", "::/EFI/BOOT")
    run("mcopy", "-i", esp, program, "::/EFI/BOOT/BOOTX64.EFI")
    run("dd", "if=" + esp, "of=" + path, "bs=1M", "seek=%d" % (ESP[0] // MIB), "conv=notrunc,sparse", "status=none")


def fill(path, size, root):
    """The backup of the partition table takes the last 33 sectors; a MiB is left for it."""
    blocks = (size - ROOT_BEGIN - MIB) // 4096
    run("mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-L", LABEL, "-E", "offset=%d,lazy_itable_init=1,nodiscard" % ROOT_BEGIN, "-d", root,
        path, str(blocks))


def make(path, size, root, work):
    partition(path, size)
    start_by_bios(path, work)
    start_by_uefi(path, work)
    fill(path, size, root)
