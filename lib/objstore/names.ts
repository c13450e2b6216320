// Names of objects and folders: what is allowed, and the order that listings keep.
// Specification: S3 object keys (at most 1,024 bytes of UTF-8), narrowed to names that are also safe as file paths.
// Owns the check that keeps a name from climbing out of its bucket.
import { MnemoError } from '../kit/errors.ts'
import { compareStrings } from '../labels/labels.ts'
import type { ListedObject } from './bucket.ts'

const nameMaxBytes = 1024

/** Throws `bad_data` for a name that is empty, too long, or has an empty, '.' or '..' segment. */
export function checkObjectName(name: string): void {
  const isClean = name
    .split('/')
    .every((segment) => segment !== '' && segment !== '.' && segment !== '..' && !segment.includes('\0'))
  if (!isClean || Buffer.byteLength(name) > nameMaxBytes) {
    const want = "segments that are not empty, '.' or '..'"
    throw new MnemoError('bad_data', `cannot name an object: got ${JSON.stringify(name)}, want ${want}`)
  }
}

/** The folder as a prefix of names: '' for the top, else with one '/' at its end. Throws as checkObjectName. */
export function folderPrefix(folder: string): string {
  if (folder === '' || folder === '/') return ''
  const name = folder.endsWith('/') ? folder.slice(0, -1) : folder
  checkObjectName(name)
  return `${name}/`
}

/** Throws `bad_data` unless both are non-negative whole numbers. */
export function checkRange(name: string, offset: number, length: number): void {
  if (Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0) return
  const got = `offset ${offset}, length ${length}`
  throw new MnemoError('bad_data', `cannot read a range of ${name}: got ${got}, want whole numbers of at least 0`)
}

/** The order of listings: names by their UTF-8 bytes. */
export function compareListed(a: ListedObject, b: ListedObject): number {
  return compareStrings(a.name, b.name)
}
