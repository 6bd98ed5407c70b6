// What stands in the way of a copy, in sentences for the person who asked for it: nothing was moved when one is thrown.

/** Something that a person can mend. */
export class CopyError extends Error {
  override readonly name: string = 'CopyError'
}

/** The copy was asked to stop before it was done. */
export class CopyStopped extends CopyError {
  override readonly name = 'CopyStopped'
}
