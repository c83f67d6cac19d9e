package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"hash"
	"sync"
	"time"
)

const audience = "holdfast"

var errToken = errors.New("the token is not believed")

// Verifies HS256 tokens. Its hashes are keyed once and used again.
type verifier struct {
	hashes sync.Pool
}

type claims struct {
	Subject  string `json:"sub"`
	Audience string `json:"aud"`
	Expires  int64  `json:"exp"`
}

// The header that nearly every token has, so that it need not be read each time.
var usualHeader = []byte(base64.RawURLEncoding.EncodeToString([]byte(`{"typ":"JWT","alg":"HS256"}`)))

func newVerifier(secret string) *verifier {
	return &verifier{sync.Pool{New: func() any { return hmac.New(sha256.New, []byte(secret)) }}}
}

// Whose token it is.
func (v *verifier) buyer(token []byte) (string, error) {
	dot := bytes.IndexByte(token, '.')
	last := bytes.LastIndexByte(token, '.')
	if dot < 0 || dot == last || !isHS256(token[:dot]) || !v.isSigned(token[:last], token[last+1:]) {
		return "", errToken
	}
	var buffer [512]byte
	if base64.RawURLEncoding.DecodedLen(last-dot-1) > len(buffer) {
		return "", errToken
	}
	n, err := base64.RawURLEncoding.Decode(buffer[:], token[dot+1:last])
	if err != nil {
		return "", errToken
	}
	var said claims
	if json.Unmarshal(buffer[:n], &said) != nil {
		return "", errToken
	}
	if said.Subject == "" || said.Audience != audience || said.Expires <= time.Now().Unix() {
		return "", errToken
	}
	return said.Subject, nil
}

func (v *verifier) isSigned(text, signature []byte) bool {
	var said, is [sha256.Size]byte
	if base64.RawURLEncoding.DecodedLen(len(signature)) != len(said) {
		return false
	}
	if _, err := base64.RawURLEncoding.Decode(said[:], signature); err != nil {
		return false
	}
	mac := v.hashes.Get().(hash.Hash)
	mac.Reset()
	mac.Write(text)
	mac.Sum(is[:0])
	v.hashes.Put(mac)
	return hmac.Equal(said[:], is[:])
}

func isHS256(header []byte) bool {
	if bytes.Equal(header, usualHeader) {
		return true
	}
	text, err := base64.RawURLEncoding.DecodeString(string(header))
	if err != nil {
		return false
	}
	var said struct {
		Algorithm string `json:"alg"`
	}
	return json.Unmarshal(text, &said) == nil && said.Algorithm == "HS256"
}
