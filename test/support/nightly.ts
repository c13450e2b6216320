// The long form of tests that go over very many cases: `NIGHTLY=1 npm test -- <file>`; CI takes a spread of them.
// Owns the variable's name.

/** Whether every case is wanted. */
export const isNightly = process.env.NIGHTLY === '1'
