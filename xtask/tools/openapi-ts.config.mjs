// How `cargo xtask codegen` turns a specification into the generated half of the TypeScript SDK.
// `client: false` makes the client an explicit argument of every operation; `throwOnError` with
// `responseStyle: 'data'` makes an operation answer its data or throw.
export default {
  input: process.env.OPENAPI_TS_SPEC,
  output: {
    path: process.env.OPENAPI_TS_OUT,
    importFileExtension: '.js',
    // No formatter of whoever runs this: the output is the same bytes everywhere.
    postProcess: [],
  },
  plugins: [
    '@hey-api/typescript',
    { name: '@hey-api/sdk', client: false, responseStyle: 'data' },
    { name: '@hey-api/client-fetch', throwOnError: true },
  ],
};
