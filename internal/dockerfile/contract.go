package dockerfile

import "errors"

var errContract = errors.New("not built yet")

// States says for every instruction (ONBUILD triggers too) what it runs under; args are build
// arguments that override the defaults of ARG. Where predicted expansion is over the limit the
// error is a *LimitError.
func (f *File) States(args map[string]string) (map[*Instruction]State, error) {
	return nil, errContract
}
