;;; connection.el --- The server's life, requests, documents  -*- lexical-binding: t; -*-

;; Copyright (c) 2026 The Lanebridge authors
;; SPDX-License-Identifier: MIT

;;; Commentary:

;; What is told of documents is played by a model of the server, which
;; must have the buffer's text whatever is done to it.

;;; Code:

(require 'harness)
(require 'tramp)
(require 'lb-chat)

(defvar connection-told nil "The text that was told.")

(defun connection-play-position (text position)
  "The index of POSITION, in letters, in TEXT."
  (let ((at 0))
    (dotimes (_ (plist-get position :line))
      (string-match "\r\n?\\|\n" text at)
      (setq at (match-end 0)))
    (+ at (plist-get position :character))))

(defun connection-play (method params)
  "Play METHOD with PARAMS, as a server would."
  (pcase method
    ("textDocument/didOpen"
     (setq connection-told (plist-get (plist-get params :textDocument) :text)))
    ("textDocument/didChange"
     (seq-doseq (change (plist-get params :contentChanges))
       (let ((range (plist-get change :range)))
         (setq connection-told
               (if (not range)
                   (plist-get change :text)
                 (concat (substring connection-told 0 (connection-play-position
                                                       connection-told (plist-get range :start)))
                         (plist-get change :text)
                         (substring connection-told (connection-play-position
                                                     connection-told (plist-get range :end)))))))))))

(defmacro connection-playing (text &rest body)
  "Evaluate BODY in a buffer of a file with TEXT; what is told of it is played."
  (declare (indent 1) (debug t))
  `(lb-session (:files (list (cons "a.txt" ,text)))
     (cl-letf* ((notify (symbol-function 'lanebridge-notify))
                ((symbol-function 'lanebridge-notify)
                 (lambda (method params)
                   (connection-play method params)
                   (funcall notify method params))))
       (lb-open "a.txt")
       (buffer-enable-undo)
       ,@body)))

(defun connection-should-know ()
  "What was told must be what is in the buffer."
  (lanebridge-sync-flush)
  (should (equal connection-told
                 (lanebridge-to-file-text
                  (save-restriction
                    (widen) (buffer-substring-no-properties (point-min) (point-max)))))))

(defconst connection-deeds
  (list (lambda () (insert "x"))
        (lambda () (insert "Grüße 𝒳\n"))
        (lambda () (insert "a\rb"))
        (lambda () (delete-region (point) (min (point-max) (+ 3 (point)))))
        (lambda () (delete-region (max (point-min) (- (point) 20)) (point)))
        (lambda () (upcase-region (point-min) (point)))
        (lambda () (capitalize-region (point) (point-max)))
        (lambda () (subst-char-in-region (point-min) (point-max) ?e ?o))
        (lambda () (translate-region (point-min) (point) (make-translation-table '((?a . ?b)))))
        (lambda () (sort-lines nil (point-min) (point-max)))
        (lambda () (indent-rigidly (point-min) (point-max) 2))
        (lambda () (let ((inhibit-modification-hooks t)) (insert "unseen")))
        (lambda () (with-silent-modifications (insert "silent\n")))
        (lambda () (put-text-property (point-min) (point) 'face 'bold))
        (lambda () (undo-boundary) (ignore-errors (undo)))
        (lambda () (ignore-errors (primitive-undo 1 buffer-undo-list)))
        (lambda () (narrow-to-region (point) (min (point-max) (+ 10 (point)))) (insert "n") (widen))
        (lambda () (let ((other (generate-new-buffer "o")))
                     (with-current-buffer other (insert "in its place\nß\n"))
                     (replace-buffer-contents other)
                     (kill-buffer other)))
        (lambda () (combine-change-calls (point-min) (point-max)
                     (goto-char (point-min)) (insert "combined\n")))
        (lambda () (save-excursion (goto-char (point-min))
                                   (while (search-forward "n" nil t) (replace-match "nn" t t))))
        (lambda () (insert-file-contents buffer-file-name nil nil 3))
        (lambda () (lanebridge-sync-flush)))
  "What can be done to a text.")

(ert-deftest connection-documents-are-exact ()
  "Whatever is done to a text, the server knows it; in every encoding of line ends."
  (dolist (ends '("\n" "\r\n"))
    (connection-playing (concat "one" ends "two three" ends "vier" ends)
      (random "lanebridge")
      (dotimes (_ 150)
        (goto-char (+ (point-min) (random (max 1 (buffer-size)))))
        (dotimes (_ (1+ (random 3)))
          (funcall (nth (random (length connection-deeds)) connection-deeds)))
        (when (> (buffer-size) 5000)
          (delete-region 500 (point-max)))
        (connection-should-know))
      (revert-buffer t t t)
      (connection-should-know)
      (set-buffer-file-coding-system 'utf-8-dos)
      (connection-should-know))))

(ert-deftest connection-typing-is-told-by-itself ()
  "What is typed goes as it was typed, not as a whole text, in modes that do much."
  (lb-session (:files '(("a.c" . "int main(void)\n{\n    return 1;\n}\n")) :open "a.c")
    (should (derived-mode-p 'c-mode))
    (font-lock-mode)
    (font-lock-ensure)
    (let (told)
      (cl-letf* ((notify (symbol-function 'lanebridge-notify))
                 ((symbol-function 'lanebridge-notify)
                  (lambda (method params)
                    (when (equal method "textDocument/didChange")
                      (push (aref (plist-get params :contentChanges) 0) told))
                    (funcall notify method params))))
        (goto-char (point-max))
        (dolist (keys '("i f" "{" "RET" "z" "}" "DEL"))
          (lb-keys keys)
          (font-lock-ensure)
          (lanebridge-sync-flush)))
      (should (= (length told) 6))
      (should (cl-every (lambda (change) (plist-get change :range)) told)))))

(ert-deftest connection-many-changes-are-one-text ()
  "Thousands of changes at once are told as one text."
  (connection-playing (mapconcat #'identity (make-list 3000 "a line of text") "\n")
    (goto-char (point-min))
    (while (search-forward "line" nil t) (replace-match "row" t t))
    (should (eq 'all (lanebridge-document-pending lanebridge-sync--document)))
    (connection-should-know)))

(ert-deftest connection-positions-there-and-back ()
  "Every place of a text is told, and found again."
  (dolist (encoding '(utf-8 utf-16 utf-32))
    (with-temp-buffer
      (insert "Grüße, 世界 𝒳\r\nx\ry𝒳\n\nend")
      (cl-letf (((symbol-function 'lanebridge--encoding) (lambda () encoding)))
        (let ((pos (point-min)))
          (while (<= pos (point-max))
            (unless (and (eq (char-before pos) ?\r) (eq (char-after pos) ?\n))
              (should (= pos (lanebridge-point (lanebridge-position pos)))))
            (setq pos (1+ pos))))))))

(ert-deftest connection-answers-come-later ()
  "A request of the server is answered when its function likes, and may be taken back."
  (lb-session (:files '(("a.txt" . "text\n")) :open "a.txt")
    (let* ((server (lanebridge-server)) answers cancelled reply
           (lanebridge--on-request (copy-hash-table lanebridge--on-request)))
      (lanebridge-on-request "test/later"
                             (lambda (_ answer)
                               (funcall answer 'on-cancel (lambda () (setq cancelled t)))
                               (setq reply answer)))
      (let ((ask (lambda (id)
                   (lanebridge-receive-request
                    server "test/later" nil
                    (lanebridge-make-reply server id
                                           (lambda (result problem)
                                             (push (or problem result) answers)))))))
        (funcall ask "s1")
        (lb-wait "the request" reply)
        (lb-pause 0.1)
        (should-not answers)
        (should (funcall reply "yes"))
        (should (equal answers '("yes")))
        (should-not (funcall reply "twice"))
        (funcall ask "s2")
        (lb-wait "the request" (lanebridge-server-open server) (gethash "s2" (lanebridge-server-open server)))
        (lb-pause 0.05)
        (lanebridge-receive-notification server "$/cancelRequest" '(:id "s2"))
        (lb-wait "the taking back" cancelled)
        (should (equal (plist-get (car answers) :code) -32800))
        (should-not (funcall reply "too late"))
        (should (= (length answers) 2))))))

(ert-deftest connection-no-program ()
  "The program is missing: said, with what to do."
  (lb-session (:files '(("a.txt" . "text\n")))
    (let ((lanebridge-command '("/no/such/lanebridge" "lsp")) said)
      (lanebridge-request "lanebridge/status/get" nil #'ignore
                          (lambda (problem) (setq said (plist-get problem :message))))
      (should (string-match-p "there is no program \"/no/such/lanebridge\"" said))
      (should (string-match-p "lanebridge-command" said)))))

(ert-deftest connection-ends-at-once ()
  "A program that is none of ours: said, with its own words, and what waited fails."
  (lb-session (:files '(("a.txt" . "text\n")))
    (let ((lanebridge-command '("sh" "-c" "echo wrong program >&2; exit 3")) said)
      (lanebridge-request "lanebridge/status/get" nil #'ignore
                          (lambda (problem) (setq said problem)))
      (lb-wait "the failure" said)
      (lb-wait "the words"
        (with-current-buffer (messages-buffer)
          (save-excursion (goto-char (point-min)) (search-forward "wrong program" nil t))))
      (should-not (lanebridge-server)))))

(ert-deftest connection-started-again ()
  "A server that dies is started again, and knows the files; some time it is enough."
  (lb-session (:files '(("a.txt" . "text\n")) :open "a.txt")
    (let ((first (lanebridge-server)))
      (insert "mine ")
      (signal-process (jsonrpc--process (lanebridge-server-connection first)) 'KILL)
      (lb-wait "another server" (and (not (eq (lanebridge-server) first)) lanebridge-sync--document
                                     (lanebridge-connected-p)))
      (should (equal (lb-text "a.txt") "mine text\n"))
      (setq lanebridge--failures
            (make-list lanebridge-restarts-max (cons "" (float-time))))
      (signal-process (jsonrpc--process (lanebridge-server-connection (lanebridge-server))) 'KILL)
      (lb-wait "the end" (not (lanebridge-server)))
      (lb-pause 1)
      (should-not (lanebridge-server))
      (should-not lanebridge-sync--document))))

(ert-deftest connection-one-server-for-all-folders ()
  "One server for all folders; those of later files are added."
  (lb-session (:files '(("a.txt" . "text\n") ("../other/.git/HEAD" . "ref: refs/heads/main\n")
                        ("../other/b.txt" . "text\n"))
               :open "a.txt")
    (let ((lanebridge-root-function (lambda () (locate-dominating-file default-directory ".git"))))
      (lb-open "../other/b.txt")
      (should (= 1 (length lanebridge--servers)))
      (lb-wait "both folders"
        (= 2 (length (plist-get (lanebridge-request-sync "lanebridge/status/get" nil) :folders)))))))

(ert-deftest connection-files-open-already ()
  "Files that are open when the server starts are known to it, encrypted ones are not."
  (lb-session (:files '(("a.txt" . "text\n") ("b.txt" . "text\n")))
    (find-file-noselect (lb-file "b.txt"))
    (lb-open "a.txt")
    (should (buffer-local-value 'lanebridge-sync--document (get-file-buffer (lb-file "b.txt"))))
    (with-temp-buffer
      (setq buffer-file-name (lb-file "secret.gpg"))
      (should-not (lanebridge-sync--plain-p))
      (set-buffer-modified-p nil)
      (setq buffer-file-name nil))))

(ert-deftest connection-remote ()
  "On a remote host the server runs there; its files are read and edited here."
  (let ((tramp-methods (cons '("mock" (tramp-login-program "sh") (tramp-login-args (("-i")))
                               (tramp-direct-async-args (("-c"))) (tramp-remote-shell "/bin/sh")
                               (tramp-remote-shell-args ("-c")) (tramp-connection-timeout 10))
                             tramp-methods))
        (tramp-default-host-alist (quote (("\\`mock\\'" nil "localhost"))))
        (tramp-verbose 0)
        (vc-handled-backends nil))
    (lb-session (:files '(("a.c" . "int main(void)\n{\n    return 1;\n}\n"))
                 :replay (list (lb-rollout "fix")
                               (lb-patch "p" "a.c" "    return 1;" "    return 0;")
                               (lb-says "Done.")))
      (let* ((lanebridge-root-function (lambda () (concat "/mock:localhost:" lb-work)))
             ;; What TRAMP starts has the environment of its shell.
             (lanebridge-command
              (append (list "env" (concat "LANEBRIDGE_STATE=" lb-dir "state")
                            (concat "LANEBRIDGE_CONFIG=" lb-dir "no-config.json")
                            "OPENAI_API_KEY=none-needed")
                      lanebridge-command))
             (file (concat "/mock:localhost:" (lb-file "a.c"))))
        (switch-to-buffer (find-file-noselect file))
        (lanebridge-mode)
        (lb-wait "the remote server to have the file" lanebridge-sync--document)
        (should (equal (lanebridge-server-remote (lanebridge-server)) "/mock:localhost:"))
        (should (equal (lanebridge-sync-uri) (concat "file://" (lb-file "a.c"))))
        (should (equal (lanebridge-uri-file (lanebridge-sync-uri)) file))
        (lb-ask "fix it")
        (should (equal (lb-turn) "completed"))
        (should (string-match-p "return 0" (buffer-string)))
        (should (string-match-p "return 0" (lb-read "a.c")))
        (lb-open-chat)
        (should (equal (file-remote-p default-directory) "/mock:localhost:"))
        (lb-wait-chat "Done.")
        (lb-keys "see SPC @a.c RET")
        (should (equal (lb-turn 2) "completed"))
        (lb-wait-chat "see @a.c\n")))))

(ert-deftest connection-load-cost ()
  "The package costs little when Emacs starts."
  (let* ((emacs (getenv "LANEBRIDGE_EMACS"))
         (library (locate-library "lanebridge"))
         (source (make-temp-file "nothing" nil ".el"
                                 ";;; nothing.el -*- lexical-binding: t; -*-\n(provide 'nothing)\n"))
         (nothing (progn (byte-compile-file source) (concat source "c")))
         ;; The first file that Emacs loads costs it some milliseconds, whatever is in it.
         (measure `(progn (load ,nothing nil t t)
                          (let ((began (float-time)))
                            (load ,library nil t t)
                            (princ (* 1000 (- (float-time) began))))))
         best)
    (unless emacs
      (ert-skip "it is not said which Emacs this is"))
    (dotimes (_ 5)
      (with-temp-buffer
        (call-process emacs nil '(t nil) nil "--batch" "--eval" (format "%S" measure))
        (let ((ms (string-to-number (buffer-string))))
          (should (> ms 0))
          (setq best (min ms (or best ms))))))
    (delete-file source)
    (delete-file nothing)
    ;; 5 ms are allowed, on a quiet machine.
    (should (< best 50))
    (lb-note "measured Emacs %d: loading lanebridge takes %.2f ms (best of 5)"
             emacs-major-version best)))

;;; connection.el ends here
