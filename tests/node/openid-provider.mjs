// An OpenID Connect provider on loopback with invented users, for tests:
//
//   node openid-provider.mjs FOLDER REDIRECT_URI [claims-in-token]
//
// FOLDER holds node_modules. Prints `issuer URL` when it answers. Each line on the standard input is an order: `rotate`
// gives it new keys, after which it prints `rotated`. It ends with its standard input.
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

const [folder, redirectUri, claimsIn] = process.argv.slice(2);
const found = createRequire(resolve(folder, 'package.json')).resolve('oidc-provider');
const { Provider } = await import(pathToFileURL(found).href);

// Who may sign in, with any password, and what their organisation says of them.
const users = {
  olive: ['mesh-operators', 'staff'],
  vera: ['mesh-viewers'],
  nora: ['staff'],
  // By the name of a token that the relay knows.
  engine: ['mesh-operators'],
};

let server;

function provider() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const key = { ...privateKey.export({ format: 'jwk' }), kid: randomBytes(8).toString('hex'), alg: 'RS256', use: 'sig' };
  return new Provider(`http://127.0.0.1:${server.address().port}`, {
    clients: [{
      client_id: 'mesh-relay',
      client_secret: 'a-secret-of-the-test',
      redirect_uris: [redirectUri],
      response_types: ['code'],
      grant_types: ['authorization_code'],
    }],
    jwks: { keys: [key] },
    cookies: { keys: ['a-key-of-the-test'] },
    scopes: ['openid', 'profile', 'roles'],
    claims: { openid: ['sub'], profile: ['preferred_username'], roles: ['roles'] },
    // Without it, only who asks with the access token is told more than the subject.
    conformIdTokenClaims: claimsIn !== 'claims-in-token',
    features: { devInteractions: { enabled: true } },
    findAccount: (_, id) => users[id] && {
      accountId: id,
      claims: () => ({ sub: id, preferred_username: id, roles: users[id] }),
    },
  });
}

let answer;
server = createServer((request, response) => answer(request, response));
server.listen(0, '127.0.0.1', () => {
  answer = provider().callback();
  console.log(`issuer http://127.0.0.1:${server.address().port}`);
});

const orders = createInterface({ input: process.stdin });
orders.on('line', (order) => {
  if (order === 'rotate') {
    answer = provider().callback();
    console.log('rotated');
  }
});
orders.on('close', () => process.exit(0));
