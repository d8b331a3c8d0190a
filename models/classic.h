/* classic.h: architectures with layer norms and biases, each in the file of its name: what came before, or beside, the Llama family. */
#ifndef QBIN_MODELS_CLASSIC_H
#define QBIN_MODELS_CLASSIC_H

#include "models/arch.h"

extern const arch arch_gpt2, arch_gpt_neox, arch_phi, arch_stablelm, arch_starcoder2;

#endif
