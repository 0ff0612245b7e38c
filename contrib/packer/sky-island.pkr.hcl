# FreeBSD 14 on ZFS with Sky Island as its service, for VirtualBox and for QEMU (docs/appliance.md). Validated; not yet built.
# Sky Island is compiled, linked, model-tested; not yet run on FreeBSD.
packer {
  required_version = ">= 1.6.6"
}

variable "iso_url" {
  type        = string
  description = "FreeBSD-14.x-RELEASE-amd64-disc1.iso, as a URL or file://PATH."
}

variable "iso_checksum" {
  type        = string
  description = "Of that file: sha256:… as the release announcement has it."
}

variable "release_url" {
  type        = string
  description = "That release's directory on a mirror, with base.txz and MANIFEST: of the jails' base. https:// or file://."
}

variable "source" {
  type        = string
  description = "A tar of this checkout: git archive -o sky-island.tar HEAD."
}

variable "cpus" {
  type    = number
  default = 2
}

variable "memory" {
  type        = number
  default     = 4096
  description = "In MiB; ZFS takes its part."
}

variable "disk_size" {
  type        = number
  default     = 20480
  description = "In MiB."
}

variable "accelerator" {
  type        = string
  default     = "kvm"
  description = "QEMU's: kvm, hvf, tcg."
}

variable "password" {
  type        = string
  default     = "only-while-it-is-made"
  sensitive   = true
  description = "Root's, which ssh asks for while it is made; the last step locks it."
}

locals {
  output = "build/packer"
  # The disc's first question is answered with a shell, which fetches the answers to all others.
  install = [
    "s<enter><wait5>",
    "mdmfs -s 64m md /tmp<enter><wait2>",
    "dhclient -l /tmp/lease $(ifconfig -l ether | cut -d' ' -f1)<enter><wait10>",
    "fetch -o /tmp/installerconfig http://{{ .HTTPIP }}:{{ .HTTPPort }}/installerconfig<enter><wait5>",
    "ROOT_PASSWORD='${var.password}' bsdinstall script /tmp/installerconfig && reboot<enter>"
  ]
}

source "qemu" "freebsd" {
  iso_url          = var.iso_url
  iso_checksum     = var.iso_checksum
  output_directory = "${local.output}/qemu"
  vm_name          = "sky-island-freebsd.qcow2"
  format           = "qcow2"
  disk_compression = true
  accelerator      = var.accelerator
  cpus             = var.cpus
  memory           = var.memory
  disk_size        = "${var.disk_size}M"
  disk_interface   = "virtio"
  net_device       = "virtio-net"
  headless         = true
  http_directory   = "${path.root}/http"
  boot_wait        = "60s"
  boot_command     = local.install
  ssh_username     = "root"
  ssh_password     = var.password
  ssh_timeout      = "60m"
  shutdown_command = "sh /root/sky-island/contrib/packer/seal.sh"
}

source "virtualbox-iso" "freebsd" {
  iso_url              = var.iso_url
  iso_checksum         = var.iso_checksum
  output_directory     = "${local.output}/virtualbox"
  vm_name              = "sky-island-freebsd"
  format               = "ova"
  guest_os_type        = "FreeBSD_64"
  guest_additions_mode = "disable"
  cpus                 = var.cpus
  memory               = var.memory
  disk_size            = var.disk_size
  hard_drive_interface = "sata"
  headless             = true
  http_directory       = "${path.root}/http"
  boot_wait            = "60s"
  boot_command         = local.install
  ssh_username         = "root"
  ssh_password         = var.password
  ssh_timeout          = "60m"
  shutdown_command     = "sh /root/sky-island/contrib/packer/seal.sh"
}

build {
  sources = ["source.qemu.freebsd", "source.virtualbox-iso.freebsd"]

  provisioner "file" {
    source      = var.source
    destination = "/root/sky-island.tar"
  }

  provisioner "shell" {
    execute_command  = "env {{ .Vars }} sh -eu '{{ .Path }}'"
    environment_vars = ["RELEASE_URL=${var.release_url}"]
    scripts          = ["${path.root}/provision.sh"]
  }
}
