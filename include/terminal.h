#ifndef TERMINAL_H
#define TERMINAL_H

/* Columns of the terminal behind a descriptor; 80 where it does not say. */
int terminal_width(int descriptor);

#endif
