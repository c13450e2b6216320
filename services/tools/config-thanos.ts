// Flags that every bucket tool has, and those of Thanos's that have no meaning here: a command line goes on to work.
// Specification: Thanos cmd/thanos/tools_bucket.go and main.go.
// Owns which of Thanos's flags are taken without an effect, told in the log, and which are refused.
import { commonForeignFlags, ignoredFlag, refusedFlag } from '../../lib/kit/foreign-flags.ts'
import { logFlags } from '../../lib/kit/lifecycle.ts'
import { objstoreFlags } from '../../lib/objstore/config.ts'

/** Of every bucket tool. */
export const toolFlags = { ...logFlags, ...commonForeignFlags, ...objstoreFlags }

const noHashes = 'hashes of files are not written into meta.json'
const servesNothing = 'it serves nothing'

/** Of tools that write blocks. */
export const writingForeignFlags = {
  thanosHash: refusedFlag('hash-func', noHashes, { accepted: [''] }),
}

export const downsampleForeignFlags = {
  ...writingForeignFlags,
  thanosWait: ignoredFlag('wait-interval', 'it ends when nothing is left to do'),
  thanosFiles: ignoredFlag('block-files-concurrency', 'files are read as streams'),
  thanosHttp: ignoredFlag('http-address', servesNothing),
  thanosHttpGrace: ignoredFlag('http-grace-period', servesNothing),
  thanosHttpConfig: ignoredFlag('http.config', servesNothing),
}
