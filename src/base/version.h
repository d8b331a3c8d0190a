/* version.h: the version of the program, in --version and in the metadata of what it writes. */
#ifndef QBIN_BASE_VERSION_H
#define QBIN_BASE_VERSION_H

#define QBIN_VERSION "0.1.0"

#endif
