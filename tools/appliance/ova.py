"""An .ova of a disk: a tar with a descriptor (OVF 1.1, DSP0243), its manifest, and the disk as a streamOptimized VMDK. It asks for what
VirtualBox gives a Debian by default: a SATA disk, an Intel network card, NAT."""

import hashlib
import os
import subprocess
import tarfile
import xml.etree.ElementTree as ElementTree

NAME = "sky-island"
CPUS = 2
MEMORY = 2048  # MiB
OVF = "http://schemas.dmtf.org/ovf/envelope/1"
CIM = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/"
RASD = CIM + "CIM_ResourceAllocationSettingData"
VSSD = CIM + "CIM_VirtualSystemSettingData"
STREAM = "http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"
DEBIAN_64 = "96"  # CIM_OperatingSystem.OsType
CPU, RAM, NETWORK, HARD_DISK, SATA = "3", "4", "10", "17", "20"  # CIM_ResourceAllocationSettingData.ResourceType

# What the machine is made of; the fields of each in the schema's order, which is the alphabet's.
HARDWARE = (
    {"AllocationUnits": "hertz * 10^6", "ElementName": "processors", "InstanceID": "1", "ResourceType": CPU, "VirtualQuantity": str(CPUS)},
    {"AllocationUnits": "byte * 2^20", "ElementName": "memory", "InstanceID": "2", "ResourceType": RAM, "VirtualQuantity": str(MEMORY)},
    {"Address": "0", "ElementName": "disks", "InstanceID": "3", "ResourceSubType": "AHCI", "ResourceType": SATA},
    {"AddressOnParent": "0", "ElementName": "disk", "HostResource": "ovf:/disk/disk1", "InstanceID": "4", "Parent": "3",
     "ResourceType": HARD_DISK},
    {"AutomaticAllocation": "true", "Connection": "NAT", "ElementName": "network", "InstanceID": "5", "ResourceSubType": "E1000",
     "ResourceType": NETWORK},
)


def element(parent, name, text=None, /, **attributes):
    """In OVF's namespace, as are its attributes; {…}name in another."""
    made = ElementTree.SubElement(parent, name if name.startswith("{") else "{%s}%s" % (OVF, name),
                                  {"{%s}%s" % (OVF, key): value for key, value in attributes.items()})
    made.text = text
    return made


def section(parent, name, info, /, **attributes):
    made = element(parent, name, **attributes)
    element(made, "Info", info)
    return made


def descriptor(file, size, capacity):
    """The text of the .ovf for a disk in this file."""
    for prefix, namespace in (("ovf", OVF), ("rasd", RASD), ("vssd", VSSD)):
        ElementTree.register_namespace(prefix, namespace)
    envelope = ElementTree.Element("{%s}Envelope" % OVF, {"{%s}version" % OVF: "1.0"})
    element(element(envelope, "References"), "File", id="file1", href=file, size=str(size))
    element(section(envelope, "DiskSection", "The disk"), "Disk", diskId="disk1", fileRef="file1", capacity=str(capacity), format=STREAM)
    element(element(section(envelope, "NetworkSection", "The network"), "Network", name="NAT"), "Description", "A network with DHCP")
    machine = element(envelope, "VirtualSystem", id=NAME)
    element(machine, "Info", "Sky Island, which turns any Go package into an API")
    element(machine, "Name", NAME)
    element(section(machine, "OperatingSystemSection", "The system", id=DEBIAN_64), "Description", "Debian 12")
    hardware = section(machine, "VirtualHardwareSection", "The machine")
    kind = element(hardware, "System")
    for name, text in (("ElementName", "machine"), ("InstanceID", "0"), ("VirtualSystemIdentifier", NAME),
                       ("VirtualSystemType", "virtualbox-2.2")):
        element(kind, "{%s}%s" % (VSSD, name), text)
    for item in HARDWARE:
        made = element(hardware, "Item")
        for name, text in item.items():
            element(made, "{%s}%s" % (RASD, name), text)
    ElementTree.indent(envelope)
    return ElementTree.tostring(envelope, encoding="UTF-8", xml_declaration=True) + b"\n"


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def make(raw, capacity, work):
    """Makes it in the directory; its path."""
    names = [NAME + ".ovf", NAME + ".mf", NAME + "-disk1.vmdk"]
    ovf, manifest, vmdk = (os.path.join(work, name) for name in names)
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized,adapter_type=lsilogic", raw, vmdk], check=True)
    with open(ovf, "wb") as file:
        file.write(descriptor(names[2], os.path.getsize(vmdk), capacity))
    with open(manifest, "w", encoding="utf-8") as file:
        for path in (ovf, vmdk):
            file.write("SHA256(%s)= %s\n" % (os.path.basename(path), digest(path)))
    out = os.path.join(work, NAME + ".ova")
    with tarfile.open(out, "w", format=tarfile.USTAR_FORMAT) as tar:
        for path in (ovf, manifest, vmdk):  # the descriptor is the first, and the disk may be read as it comes
            entry = tar.gettarinfo(path, os.path.basename(path))
            entry.uid = entry.gid = 0
            entry.uname = entry.gname = ""
            entry.mode = 0o644
            with open(path, "rb") as file:
                tar.addfile(entry, file)
    return out
