/** A libc function that takes integers and buffers and returns -1 with `errno` on failure. */
export interface FFIFunction {
  readonly args: readonly ('int' | 'buffer')[];
}
