/* temporary.h: names of files that are made beside the one that is wanted, NAME.tmp-PID and parts NAME.tmp-PID.part-WORD, and the removal of those that
 * a killed process left. Knows names alone: who makes such a file removes or renames it. */
#ifndef QBIN_FILE_TEMPORARY_H
#define QBIN_FILE_TEMPORARY_H

/* A name of this process beside `target`, for `part` of the work (NULL: the file itself). Owned by the caller; NULL without memory. */
char *temporary_name(const char *target, const char *part);

/* Removes what processes that are gone have left of `target`. A lock (flock) says of a file that somebody has it still. */
void temporary_remove_litter(const char *target);

#endif
