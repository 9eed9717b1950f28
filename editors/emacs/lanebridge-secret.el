;;; lanebridge-secret.el --- Keys, from auth-source or typed  -*- lexical-binding: t; -*-

;; Copyright (c) 2026 The Lanebridge authors
;; SPDX-License-Identifier: MIT

;;; Commentary:

;; lanebridge/editor/secret.  A key is taken from auth-source: the
;; password of the endpoint's host, user "apikey", as in ~/.authinfo.gpg:
;;
;;     machine api.openai.com login apikey password KEY
;;
;; Otherwise it waits among what is asked until you type it, where nobody
;; sees it; then it is kept in memory until Emacs ends.

;;; Code:

(require 'lanebridge-connection)
(require 'url-parse)

(autoload 'auth-source-search "auth-source")
(declare-function lanebridge-approval-ask-secret "lanebridge-approval")

(defcustom lanebridge-secret-user "apikey"
  "The user whose password in auth-source is the endpoint's key."
  :type 'string
  :group 'lanebridge)

(defvar lanebridge-secret--kept nil
  "Alist of keys that were typed, by their names.")

(defvar lanebridge-secret--waiting nil
  "REPLY functions that wait for a key, when nothing else asks for it.")

(defun lanebridge-secret--host ()
  "The host of the endpoint."
  (let ((url (plist-get (plist-get (lanebridge-current-settings) :endpoint) :url)))
    (or (and url (url-host (url-generic-parse-url url))) "api.openai.com")))

(defun lanebridge-secret--stored ()
  "The key that auth-source has, or nil."
  (let* ((found (car (ignore-errors
                       (auth-source-search :host (lanebridge-secret--host)
                                           :user lanebridge-secret-user
                                           :max 1 :require '(:secret)))))
         (secret (plist-get found :secret)))
    (if (functionp secret) (funcall secret) secret)))

(defun lanebridge-secret--ask (name reply)
  "Have the person asked for the secret NAME, for REPLY."
  (let ((take (lambda (value)
                (when value
                  (setf (alist-get name lanebridge-secret--kept nil nil #'equal) value))
                (funcall reply (if value (list :value value) lanebridge-empty)))))
    (if (fboundp 'lanebridge-approval-ask-secret)
        (lanebridge-approval-ask-secret (format "Key for %s" (lanebridge-secret--host)) take)
      (push take lanebridge-secret--waiting)
      (lanebridge-say "the endpoint wants a key: `M-x lanebridge-enter-key'"))))

(defun lanebridge-secret-on-request (params reply)
  "Answer lanebridge/editor/secret with PARAMS by REPLY."
  (let* ((name (plist-get params :name))
         (refused (eq (plist-get params :refused) t))
         (value (and (not refused)
                     (or (cdr (assoc name lanebridge-secret--kept))
                         (lanebridge-secret--stored)))))
    (if value
        (funcall reply (list :value value))
      (setq lanebridge-secret--kept (assoc-delete-all name lanebridge-secret--kept))
      (lanebridge-secret--ask name reply))))

;;;###autoload
(defun lanebridge-enter-key ()
  "Type in the endpoint's key, which is kept until Emacs ends."
  (interactive)
  (let ((value (read-passwd (format "Key for %s: " (lanebridge-secret--host)))))
    (unless (equal value "")
      (setf (alist-get "apiKey" lanebridge-secret--kept nil nil #'equal) value)
      (while lanebridge-secret--waiting
        (funcall (pop lanebridge-secret--waiting) value))
      (lanebridge-say "the key is kept until Emacs ends"))))

(lanebridge-on-request "lanebridge/editor/secret" #'lanebridge-secret-on-request)

(provide 'lanebridge-secret)
;;; lanebridge-secret.el ends here
