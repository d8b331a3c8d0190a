#include "tools/session_flags.h"

#include "base/cpu.h"
#include "kernels/kernels.h"
#include "tools/signals.h"

session_options session_flags_options(const session_flags *f) {
    const int allowed = cpu_allowed();
    return (session_options){
        .context = (uint32_t)f->context,
        .batch = (uint32_t)f->batch,
        .threads = f->threads < allowed ? (int)f->threads : allowed, /* 0 stays 0 */
        .isa = f->isa,
        .key_type = f->cache_keys ? f->cache_keys : f->cache,
        .value_type = f->cache_values ? f->cache_values : f->cache,
        .stopped = signals_stopped,
        .activations = f->activations,
    };
}

status session_flags_isa(const char *name, error *e) {
    const kernels *k;
    return kernels_choose(&k, name, e);
}
