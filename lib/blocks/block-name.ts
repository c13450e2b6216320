// Which names are blocks': ULIDs. Whatever else lies in a bucket is left alone.
// Specification: https://github.com/ulid/spec. By itself, since many ask and few make new ones, which loads the system's randomness.

const pattern = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/

/** Whether the text is a ULID as blocks are named: 26 characters, upper case. */
export function isUlid(text: string): boolean {
  return pattern.test(text)
}
