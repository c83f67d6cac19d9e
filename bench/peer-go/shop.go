package main

import (
	"bufio"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gomodule/redigo/redis"
)

const (
	holdSeconds  = 300
	bodyBytesMax = 64 << 10
	// In hexadecimal digits as long as an id of Holdfast.
	idBytes = 19
)

type shop struct {
	pool     *redis.Pool
	verifier *verifier
	// Random bytes are read ahead: a system call for many ids.
	random     *bufio.Reader
	randomLock sync.Mutex
	bodies     sync.Pool
}

type request struct {
	Tier     string `json:"tier"`
	Quantity int    `json:"quantity"`
}

type money struct {
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
}

type hold struct {
	ID        string `json:"id"`
	Sale      string `json:"sale"`
	Tier      string `json:"tier"`
	Quantity  int    `json:"quantity"`
	Buyer     string `json:"buyer"`
	Status    string `json:"status"`
	Expires   string `json:"expires_at"`
	Remaining int64  `json:"remaining_ms"`
	Total     money  `json:"total"`
}

type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Code   string `json:"code"`
}

func newShop(pool *redis.Pool, secret string) *shop {
	return &shop{
		pool:     pool,
		verifier: newVerifier(secret),
		random:   bufio.NewReaderSize(rand.Reader, 4096),
		bodies:   sync.Pool{New: func() any { return new([1024]byte) }},
	}
}

func stockKey(tier string) string { return "stock:" + tier }

func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	sale := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/v1/sales/"), "/holds")
	if r.Method != http.MethodPost || len(sale)+len("/v1/sales//holds") != len(r.URL.Path) {
		refuse(w, http.StatusNotFound, "not_found", "there is nothing here")
		return
	}
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	buyer, err := s.verifier.buyer([]byte(token))
	if err != nil {
		refuse(w, http.StatusUnauthorized, "unauthorised", err.Error())
		return
	}
	var asked request
	if err := s.read(r.Body, &asked); err != nil || asked.Tier == "" || asked.Quantity != 1 {
		refuse(w, http.StatusBadRequest, "malformed", "the body is not as it must be")
		return
	}
	result, id, err := s.reserve(asked.Tier, buyer)
	switch {
	case err != nil:
		refuse(w, http.StatusServiceUnavailable, "store_unavailable", "try again")
	case result == 0:
		refuse(w, http.StatusConflict, "all_held", "every unit is held")
	default:
		status := http.StatusCreated
		if result == 2 {
			status = http.StatusOK
		}
		answer(w, status, "application/json", &hold{
			ID: id, Sale: sale, Tier: asked.Tier, Quantity: 1, Buyer: buyer, Status: "held",
			Expires:   time.Now().Add(holdSeconds * time.Second).UTC().Format("2006-01-02T15:04:05.000Z"),
			Remaining: holdSeconds * 1000,
			Total:     money{4500, "EUR"},
		})
	}
}

// What the script says, and the hold's id.
func (s *shop) reserve(tier, buyer string) (int, string, error) {
	id, err := s.newID()
	if err != nil {
		return 0, "", err
	}
	connection := s.pool.Get()
	defer connection.Close()
	said, err := redis.Values(reserve.Do(connection, stockKey(tier), "lock:"+buyer, id, holdSeconds))
	if err != nil {
		return 0, "", err
	}
	result, err := redis.Int(said[0], nil)
	if err != nil || result == 0 {
		return 0, "", err
	}
	id, err = redis.String(said[1], nil)
	return result, id, err
}

func (s *shop) newID() (string, error) {
	var bytes [idBytes]byte
	s.randomLock.Lock()
	_, err := io.ReadFull(s.random, bytes[:])
	s.randomLock.Unlock()
	return "hold_" + hex.EncodeToString(bytes[:]), err
}

// Reads a body into a buffer that is used again; a longer one than usual gets its own.
func (s *shop) read(body io.Reader, into any) error {
	buffer := s.bodies.Get().(*[1024]byte)
	defer s.bodies.Put(buffer)
	n, err := io.ReadFull(body, buffer[:])
	if err == io.ErrUnexpectedEOF || err == io.EOF {
		return json.Unmarshal(buffer[:n], into)
	}
	if err != nil {
		return err
	}
	rest, err := io.ReadAll(io.LimitReader(body, bodyBytesMax))
	if err != nil {
		return err
	}
	return json.Unmarshal(append(buffer[:n:n], rest...), into)
}

func refuse(w http.ResponseWriter, status int, code, title string) {
	answer(w, status, "application/problem+json", &problem{
		Type: "urn:holdfast:" + code, Title: title, Status: status, Code: code,
	})
}

func answer(w http.ResponseWriter, status int, kind string, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	header := w.Header()
	header["Content-Type"] = []string{kind}
	header["Cache-Control"] = []string{"private, no-store"}
	w.WriteHeader(status)
	w.Write(text)
}
