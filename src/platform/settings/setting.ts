// What a setting is: its flag, its variables, its default, how it is read and what it is for.

export interface Setting<Value> {
  /** Undefined where a value on the command line would show a secret to everybody on the machine. */
  readonly flag?: string | undefined
  readonly environment: readonly [string, ...string[]]
  readonly fallback: string
  /** @throws {Unfit} what to write instead */
  readonly parse: (text: string) => Value
  readonly description: string
  /** `hidden` is never shown; of an `address` the password is not. */
  readonly secret?: 'hidden' | 'address'
}
