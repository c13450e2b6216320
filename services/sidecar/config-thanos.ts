// Flags of Thanos's sidecar (cmd/thanos/sidecar.go) that have no meaning here: taken with a line in the log, or refused.
// Owns the reasons.
import { commonForeignFlags, ignoredFlag } from '../../lib/kit/foreign-flags.ts'

/** By a key of their own each; values are texts, or undefined where not given. */
export const thanosFlags = {
  ...commonForeignFlags,
  thanosOutOfOrder: ignoredFlag('shipper.allow-out-of-order-uploads', 'a block that fails never holds up newer ones', { isSwitch: true }), // biome-ignore format: one line
  thanosSkipCorrupted: ignoredFlag('shipper.skip-corrupted-blocks', 'a corrupt block never holds up newer ones', { isSwitch: true }), // biome-ignore format: one line
}
