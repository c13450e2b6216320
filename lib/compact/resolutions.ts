// The resolutions of blocks in ms.
// Specification: Thanos pkg/compact/downsample (ResLevel0 to ResLevel2).
// Owns the constants alone: planning needs no more than them of downsampling.

/** Raw samples count as one a minute, as Thanos counts them. */
export const resolutions = { raw: 0, fiveMinutes: 300_000, oneHour: 3_600_000 } as const
export const rawStepMs = 60_000
