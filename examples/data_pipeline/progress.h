/* SPDX-License-Identifier: MIT */
#ifndef DATA_PIPELINE_PROGRESS_H
#define DATA_PIPELINE_PROGRESS_H

#include <keel/ctx.h>
#include <keel/pipeline.h>

/* Runs a pipeline, and beside it, if stderr is a terminal, a task that shows how it goes. */
keel_err *progress_run(keel_ctx *ctx, keel_pipeline *p);

/* Prints on stderr what each stage did. */
void progress_print_stages(keel_pipeline *p);

#endif /* DATA_PIPELINE_PROGRESS_H */
