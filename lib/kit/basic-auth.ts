// Users and passwords of an HTTP port, as --http.config names them: passwords as bcrypt hashes.
// Specification: RFC 7617; Prometheus's exporter-toolkit (basic_auth_users), which keeps what has been compared, as bcrypt is slow on purpose.
// Owns the comparisons made so far, under a digest of what came: no password stays in memory.
import { createHash, randomBytes } from 'node:crypto'
import { compare } from 'bcryptjs'

const maxKnown = 100
/** bcrypt looks no further, and would take any longer password with the same beginning. */
const maxPasswordBytes = 72
const hashPattern = /^\$2[aby]?\$\d\d\$[./A-Za-z0-9]{53}$/
/** Compared with where there is no such user, so that names cannot be told by the time an answer takes. */
const nobodysHash = '$2b$10$abcdefghijklmnopqrstuuyDZDjrKSAJJQRcgODQQyj9NSLaV5p0e'

/** Whether a text is a hash that passwords can be compared with. */
export function isBcryptHash(text: string): boolean {
  return hashPattern.test(text)
}

export class BasicAuth {
  readonly #users: ReadonlyMap<string, string>
  readonly #salt = randomBytes(16)
  /** Oldest first. */
  readonly #known = new Map<string, Promise<boolean>>()

  /** Hashes by user. */
  constructor(users: ReadonlyMap<string, string>) {
    this.#users = users
  }

  /** Whether an Authorization header names a user with his password. */
  async accepts(header: string | undefined): Promise<boolean> {
    const encoded = /^basic ([A-Za-z0-9+/]+=*)$/i.exec(header ?? '')?.[1]
    if (encoded === undefined) return false
    const [, user, password] = /^([^:]*):(.*)$/s.exec(Buffer.from(encoded, 'base64').toString('utf8')) ?? []
    if (user === undefined || password === undefined || Buffer.byteLength(password) > maxPasswordBytes) return false
    const key = createHash('sha256').update(this.#salt).update(encoded).digest('base64')
    let known = this.#known.get(key)
    if (known === undefined) {
      known = this.#compare(user, password)
      this.#known.set(key, known)
      if (this.#known.size > maxKnown) this.#known.delete(this.#known.keys().next().value!)
    }
    return known
  }

  async #compare(user: string, password: string): Promise<boolean> {
    const hash = this.#users.get(user)
    return (await compare(password, hash ?? nobodysHash)) && hash !== undefined
  }
}
