"""A passkey made of nothing but code: it answers as a device would, or as a thief would like to."""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from webauthn.helpers import bytes_to_base64url

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


@dataclass
class SoftPasskey:
    """A key for one host. ``counter`` stays as it is set: synced passkeys always say 0."""

    host: str
    origin: str
    counter: int = 0
    checks_person: bool = True  # finger, face or PIN
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    def register(self, options: str) -> str:
        """The answer to the question for a new passkey."""
        client = self._client_data("webauthn.create", options)
        attested = self._auth_data(ATTESTED) + bytes(16) + len(self.credential_id).to_bytes(2)
        auth_data = attested + self.credential_id + self._public_key()
        sealed = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": auth_data})
        return self._answer(clientDataJSON=client, attestationObject=sealed)

    def answer(self, options: str) -> str:
        """The answer to the question for who it is."""
        client, auth_data = self._client_data("webauthn.get", options), self._auth_data(0)
        signed = auth_data + hashlib.sha256(client).digest()
        signature = self.key.sign(signed, ec.ECDSA(hashes.SHA256()))
        return self._answer(clientDataJSON=client, authenticatorData=auth_data, signature=signature)

    def _client_data(self, kind: str, options: str) -> bytes:
        asked = json.loads(options)["challenge"]
        return json.dumps({"type": kind, "challenge": asked, "origin": self.origin}).encode()

    def _auth_data(self, more: int) -> bytes:
        flags = PRESENT | (VERIFIED if self.checks_person else 0) | more
        host = hashlib.sha256(self.host.encode()).digest()
        return host + bytes([flags]) + self.counter.to_bytes(4)

    def _public_key(self) -> bytes:
        point = self.key.public_key().public_numbers()
        cose = {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32), -3: point.y.to_bytes(32)}
        return bytes(cbor2.dumps(cose))

    def _answer(self, **response: bytes) -> str:
        named = bytes_to_base64url(self.credential_id)
        parts: dict[str, Any] = {name: bytes_to_base64url(part) for name, part in response.items()}
        return json.dumps(
            {
                "id": named,
                "rawId": named,
                "type": "public-key",
                "response": parts,
                "clientExtensionResults": {},
            }
        )
