/** A libc function that takes integers and buffers and returns -1 with `errno`, or something else. */
export interface FFIFunction {
  readonly args: readonly ('int' | 'buffer')[];
}
