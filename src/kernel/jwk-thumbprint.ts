/** The name of an Ed25519 key: the thumbprint of its JWK (RFC 7638 §3, RFC 8037 appendix A.3), so that a key can have no other. */
import { hash } from 'node:crypto';

/** `x`: the public key, 32 bytes in base64url. */
export function ed25519Thumbprint(x: string): string {
  return hash('sha256', `{"crv":"Ed25519","kty":"OKP","x":"${x}"}`, 'base64url');
}
