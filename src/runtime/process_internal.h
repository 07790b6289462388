#ifndef HEADGATE_SRC_RUNTIME_PROCESS_INTERNAL_H
#define HEADGATE_SRC_RUNTIME_PROCESS_INTERNAL_H

struct loop;

/* For loop_free: forgets every child and stops watching SIGCHLD. */
void process_forget_all(struct loop *loop);

#endif
