// Configuration by which `cargo xtask codegen` generates the TypeScript SDK from a specification.
import { readFileSync } from 'node:fs';

// A list of exactly 33 entries would become a tuple type that no array of the caller's fits; its length is the
// server's to check, as it is in the Rust client.
const lengthsDrop = (key, value) => {
  if (value !== null && typeof value === 'object' && value.type === 'array' && value.minItems === value.maxItems) {
    const { minItems, maxItems, ...list } = value;
    return list;
  }
  return value;
};

export default {
  input: JSON.parse(readFileSync(process.env.OPENAPI_TS_SPEC, 'utf8'), lengthsDrop),
  output: {
    path: process.env.OPENAPI_TS_OUT,
    importFileExtension: '.js',
    // No local formatter, so that the output is the same bytes everywhere.
    postProcess: [],
  },
  plugins: [
    '@hey-api/typescript',
    // The client is an explicit argument of every operation, and an operation returns its data or throws.
    { name: '@hey-api/sdk', client: false, responseStyle: 'data' },
    { name: '@hey-api/client-fetch', throwOnError: true },
  ],
};
