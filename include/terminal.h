#ifndef TERMINAL_H
#define TERMINAL_H

/* The number of columns of a descriptor's terminal; 80 if it is unknown. */
int terminal_width(int descriptor);

#endif
