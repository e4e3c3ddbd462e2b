/* nvml.h - what NVIDIA's management library knows and the driver does not.
 *
 * Only for messages: where the library is missing there is less to say. */
#ifndef RUNTIME_NVML_H
#define RUNTIME_NVML_H

#include "base/buf.h"

/* Appends the driver's version, "580.159.04", or nothing. */
void nvml_driver_version(Buf *out);

/* Appends who has memory on the card with that PCI id, ": process 123 has 20.50
 * GiB, process 77 ..."; nothing if nobody is known. */
void nvml_users(const char *pci_id, Buf *out);

#endif
