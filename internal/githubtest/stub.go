package githubtest

import "net/http"

func (c *Contract) checkRequest(*http.Request, []byte) []string   { return nil }
func (c *Contract) checkResponse(*http.Request, *answer) []string { return nil }
func LoadContract(file string) (*Contract, error)                 { return nil, nil }
